"""AWS Systems Manager: the public parameters of Parameter Store."""

from . import here
from .here import pages, refused

BOTTLEROCKET = "/aws/service/bottlerocket/aws-k8s-1.35/arm64/latest/image_version"


def run(session):
    ssm = session.client("ssm", config=here.CONFIG)
    found = ssm.get_parameter(Name=BOTTLEROCKET)["Parameter"]
    assert found["Type"] == "String" and found["Value"], found
    error = refused("ParameterNotFound", ssm.get_parameter, Name="/none")
    assert isinstance(error, ssm.exceptions.ParameterNotFound), error
    answer = ssm.get_parameters(Names=[BOTTLEROCKET, "/none"])
    assert answer["InvalidParameters"] == ["/none"], answer
    under = pages(
        ssm,
        "get_parameters_by_path",
        "Parameters",
        Path="/aws/service/bottlerocket/aws-k8s-1.35",
        Recursive=True,
        PaginationConfig={"PageSize": 2},
    )
    assert BOTTLEROCKET in [parameter["Name"] for parameter in under], under
