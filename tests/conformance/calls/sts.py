"""AWS Security Token Service."""

import base64
import json

from . import here
from .here import ACCOUNT, TAGS, policy, refused

ISSUER = "oidc.example.com/boto3"


def _token(claims):
    def part(value):
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    return f"{part({'alg': 'RS256'})}.{part(claims)}.c2ln"


def run(session):
    sts, iam = (session.client(name, config=here.CONFIG) for name in ("sts", "iam"))
    identity = sts.get_caller_identity()
    assert identity["Account"] == ACCOUNT, identity
    assert identity["Arn"].endswith("/PSKControlPlaneBaseRole/boto3"), identity

    refused("AccessDenied", sts.assume_role, RoleArn=f"arn:aws:iam::{ACCOUNT}:role/none", RoleSessionName="boto3")

    provider = iam.create_open_id_connect_provider(
        Url=f"https://{ISSUER}", ClientIDList=["boto3"], Tags=here.key_value(TAGS)
    )["OpenIDConnectProviderArn"]
    iam.create_role(
        RoleName="boto3-web",
        AssumeRolePolicyDocument=policy(
            {
                "Effect": "Allow",
                "Principal": {"Federated": provider},
                "Action": "sts:AssumeRoleWithWebIdentity",
                "Condition": {"StringEquals": {f"{ISSUER}:aud": "boto3"}},
            }
        ),
    )
    wanted = {"RoleArn": f"arn:aws:iam::{ACCOUNT}:role/boto3-web", "RoleSessionName": "web"}
    claims = {"iss": f"https://{ISSUER}", "aud": "boto3", "sub": "someone", "exp": 4102444800}
    answer = sts.assume_role_with_web_identity(WebIdentityToken=_token(claims), **wanted)
    assert answer["SubjectFromWebIdentityToken"] == "someone", answer
    assert answer["Credentials"]["Expiration"].tzinfo, answer
    call = sts.assume_role_with_web_identity
    refused("ExpiredTokenException", call, WebIdentityToken=_token(claims | {"exp": 1}), **wanted)
    refused("InvalidIdentityToken", call, WebIdentityToken=_token(claims | {"aud": "else"}), **wanted)
    refused("AccessDenied", call, WebIdentityToken=_token(claims), **(wanted | {"RoleArn": here.ROLE}))
    iam.delete_role(RoleName="boto3-web")
    iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=provider)
