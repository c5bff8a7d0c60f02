"""The official 1Password Connect SDK reads, makes and changes items in the lab.

    connect_sdk.py VAULT ITEM FIELD VALUE

VAULT has an item ITEM, whose field FIELD has that value.
"""

import os
import sys

from onepasswordconnectsdk import load_dict
from onepasswordconnectsdk.client import new_client
from onepasswordconnectsdk.errors import FailedToRetrieveItemException, FailedToRetrieveVaultException


def refused(error, call, *arguments):
    """Makes a call that has to fail so."""
    try:
        call(*arguments)
    except error as raised:
        return str(raised)
    raise AssertionError(f"{call.__name__} doesn't fail")


def reads(client, vault_name, title, label, value):
    """Finds a vault and an item by name and by id."""
    vault = client.get_vault_by_title(vault_name)
    assert client.get_vault(vault.id).name == vault_name, vault
    assert vault.id in [one.id for one in client.get_vaults()]
    summary = next(one for one in client.get_items(vault.id) if one.title == title)
    item = client.get_item(summary.id, vault.id)
    assert item.id == client.get_item_by_title(title, vault.id).id, item
    assert [field.value for field in item.fields if field.label == label] == [value], item
    # The SDK's own way to put secrets in the place of references.
    read = load_dict(client, {"it": {"opitem": title, "opfield": f".{label}", "opvault": vault.id}})
    assert read == {"it": value}, read
    told = refused(FailedToRetrieveItemException, client.get_item_by_id, "a" * 26, vault.id)
    assert "404" in told, told
    # It says of a vault that isn't there what it says of an item.
    refused(FailedToRetrieveItemException, client.get_vault_by_title, "none")
    refused(FailedToRetrieveVaultException, client.get_vault, "a" * 26)
    return vault


def main():
    client = new_client(os.environ["OP_CONNECT_HOST"], os.environ["OP_CONNECT_TOKEN"])
    reads(client, *sys.argv[1:])


if __name__ == "__main__":
    main()
