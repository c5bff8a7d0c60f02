"""boto3 calls every operation that the lab serves, one module for each service."""
