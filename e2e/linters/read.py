"""Reads YAML for suites that know only the standard library, and holds it against its schema: documents as JSON on stdout.

    read.py yaml FILE
    read.py compose FILE
    read.py kubernetes FILE VERSION...
"""
import json
import sys

import compose_spec
import kubernetes_validate
import yaml

# Kinds that the cluster's own schema does not have.
EXTENSIONS = ("monitoring.coreos.com/v1",)


def main():
    kind, path, *versions = sys.argv[1:]
    with open(path, encoding="utf-8") as file:
        documents = [document for document in yaml.safe_load_all(file) if document]
    if kind == "compose":
        for document in documents:
            compose_spec.PyCompose.from_json(json.dumps(document)).validate()
    if kind == "kubernetes":
        for document in documents:
            if document["apiVersion"] not in EXTENSIONS:
                for version in versions:
                    kubernetes_validate.validate(document, version, strict=True)
    json.dump(documents, sys.stdout)


main()
