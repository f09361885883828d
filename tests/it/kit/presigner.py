"""Presigns links with boto3, and reads answers to boto3's own requests: one process for many of each.

The argument is a file with a JSON object: `endpoint`, `id`, `secret`, `token` or null, `region`, `signature` (botocore's name of it),
`addressing`, `links` and `answers`. Each link has `operation`, `bucket`, `key`, `expires` and `more`, the operation's further
parameters. Each answer has `status`, `headers` and `body`; the client gets it instead of one from the network, and what it makes of
it is told. Out comes a JSON object with `urls` and `errors`.
"""

import io
import json
import sys

import boto3
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.exceptions import ClientError


class Raw(io.BytesIO):
    def stream(self, amt=1024, decode_content=False):
        yield self.read()


with open(sys.argv[1], encoding="utf-8") as file:
    wish = json.load(file)
client = boto3.client(
    "s3",
    endpoint_url=wish["endpoint"],
    aws_access_key_id=wish["id"],
    aws_secret_access_key=wish["secret"],
    aws_session_token=wish["token"],
    region_name=wish["region"],
    config=Config(
        signature_version=wish["signature"], s3={"addressing_style": wish["addressing"]}, retries={"total_max_attempts": 1}
    ),
)
urls = [
    client.generate_presigned_url(
        link["operation"],
        Params={"Bucket": link["bucket"], "Key": link["key"], **link["more"]},
        ExpiresIn=link["expires"],
    )
    for link in wish["links"]
]
errors = []
for answer in wish["answers"]:

    def told(request, answer=answer, **_):
        return AWSResponse(request.url, answer["status"], answer["headers"], Raw(answer["body"].encode()))

    client.meta.events.register_first("before-send.s3.GetObject", told, unique_id="told")
    try:
        client.get_object(Bucket="media", Key="a.txt")
        errors.append(None)
    except ClientError as error:
        said = error.response
        errors.append([said["ResponseMetadata"]["HTTPStatusCode"], said["Error"]["Code"], said["Error"].get("Message")])
    client.meta.events.unregister("before-send.s3.GetObject", unique_id="told")
json.dump({"urls": urls, "errors": errors}, sys.stdout)
