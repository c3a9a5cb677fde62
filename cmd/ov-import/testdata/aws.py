"""An independent client of AWS: fills Secrets Manager with N secrets, or prints all of it as JSON.

usage: aws.py fill N | aws.py dump
"""
import json
import random
import string
import sys

import boto3

client = boto3.client("secretsmanager")


def value(n):
    chance = random.Random(n)
    kind = n % 5
    text = "".join(chance.choice(string.ascii_letters + string.digits + "+/=_-") for _ in range(20 + n % 40))
    if kind == 1:
        return "line one " + text + "\nline two é ☃\n"
    if kind == 2:
        return "postgres://user:" + text + "@db.internal:5432/app?sslmode=require"
    if kind == 3:
        return " " + text + "\t\"'`$\\ "
    return text


if sys.argv[1] == "fill":
    for n in range(int(sys.argv[2])):
        client.create_secret(Name=f"prod/app/KEY_{n:04d}", SecretString=value(n))
else:
    out = {}
    for page in client.get_paginator("list_secrets").paginate():
        for entry in page["SecretList"]:
            name = entry["Name"]
            out[name.rsplit("/", 1)[1]] = client.get_secret_value(SecretId=name)["SecretString"]
    json.dump(out, sys.stdout)
