"""The official 1Password Connect SDK reads, makes and changes items in the lab.

    connect_sdk.py VAULT ITEM FIELD VALUE

VAULT has an item ITEM, whose field FIELD has that value.
"""

import os
import sys

from onepasswordconnectsdk import load_dict
from onepasswordconnectsdk.client import new_client
from onepasswordconnectsdk.errors import FailedToRetrieveItemException, FailedToRetrieveVaultException
from onepasswordconnectsdk.models import Field, Item, ItemVault


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


def writes(client, vault):
    """Makes an item, changes it and deletes it."""
    fields = [Field(id="url", label="cluster-url", value="https://a.example", type="STRING")]
    item = Item(vault=ItemVault(id=vault.id), title="made by the SDK", category="API_CREDENTIAL", fields=fields)
    made = client.create_item(vault.id, item)
    assert client.get_item(made.id, vault.id).title == "made by the SDK", made
    made.fields[0].value = "https://b.example"
    made.title = "changed by the SDK"
    changed = client.update_item(made.id, vault.id, made)
    assert changed.version > made.version, changed
    read = client.get_item_by_title("changed by the SDK", vault.id)
    assert [field.value for field in read.fields if field.label == "cluster-url"] == ["https://b.example"], read
    client.delete_item(made.id, vault.id)
    refused(FailedToRetrieveItemException, client.get_item_by_id, made.id, vault.id)


def is_well(client):
    """Asks how the server is, for which the SDK has no call of its own."""
    for path in ("/heartbeat", "/health"):
        answer = client.build_request("GET", path)
        assert answer.status_code == 200, answer.text


def main():
    client = new_client(os.environ["OP_CONNECT_HOST"], os.environ["OP_CONNECT_TOKEN"])
    vault = reads(client, *sys.argv[1:])
    writes(client, vault)
    is_well(client)


if __name__ == "__main__":
    main()
