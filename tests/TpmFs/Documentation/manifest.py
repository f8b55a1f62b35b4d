"""manifest.py MANIFEST: holds the objects of a manifest against the classes that the Kubernetes API's schema became
in its Python client. Prints what is wrong, a line each, then the kinds of the objects."""
import re
import sys

import yaml
from kubernetes.client import models

PLAIN = {"str": str, "int": int, "bool": bool, "float": (int, float), "object": object, "datetime": str}


def check(value, kind, place):
    """Yields what is wrong with a value that the schema says is of this kind."""
    if value is None:
        yield f"{place}: nothing is given"
    elif many := re.fullmatch(r"list\[(.*)\]", kind):
        if not isinstance(value, list):
            yield f"{place}: {value!r} is no list"
        else:
            for number, item in enumerate(value):
                yield from check(item, many[1], f"{place}[{number}]")
    elif named := re.fullmatch(r"dict\(str, (.*)\)", kind):
        if not isinstance(value, dict):
            yield f"{place}: {value!r} has no names"
        else:
            for name, item in value.items():
                yield from check(item, named[1], f"{place}.{name}")
    elif kind in PLAIN:
        if not isinstance(value, PLAIN[kind]) or (kind == "int" and isinstance(value, bool)):
            yield f"{place}: {value!r} is no {kind}"
    elif not isinstance(value, dict):
        yield f"{place}: {value!r} is no {kind}"
    else:
        yield from check_object(value, getattr(models, kind), place)


def check_object(value, model, place):
    names = {json: name for name, json in model.attribute_map.items()}
    for key in value.keys() - names.keys():
        yield f"{place}: {model.__name__} has no {key}"
    known = {names[key]: item for key, item in value.items() if key in names}
    try:
        model(**known)  # refuses what lacks a field that has to be there
    except ValueError as error:
        yield f"{place}: {error}"
    for name, item in known.items():
        yield from check(item, model.openapi_types[name], f"{place}.{model.attribute_map[name]}")


with open(sys.argv[1], encoding="utf-8") as manifest:
    objects = list(yaml.safe_load_all(manifest))
for document in objects:
    version = document["apiVersion"].split("/")[-1]
    model_name = version.capitalize() + document["kind"]
    for problem in check(document, model_name, document["kind"]):
        print(problem)
print(" ".join(document["kind"] for document in objects))
