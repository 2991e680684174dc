"""Which methods the SDK has, and which of them were called."""

import functools
import inspect

from anchorbrowser import Anchorbrowser

#: Everything that was called since `note`, as `sessions.goto`.
called = set()


def methods():
    """Yields the name of every method of every resource, nested ones too, with the class that has it."""
    client = Anchorbrowser(api_key="nobody's")
    resources = [(name, getattr(client, name)) for name in dir(client) if not name.startswith(("_", "with_"))]
    resources = [(name, resource) for name, resource in resources if _is_resource(resource)]
    while resources:
        path, resource = resources.pop()
        for name in dir(type(resource)):
            if name.startswith(("_", "with_")):
                continue
            if inspect.isfunction(getattr(type(resource), name)):
                yield f"{path}.{name}", type(resource)
            elif _is_resource(nested := getattr(resource, name)):
                resources.append((f"{path}.{name}", nested))


def note():
    """Has every call from now on noted, and changes nothing else."""
    for name, owner in methods():
        method = name.rpartition(".")[2]
        setattr(owner, method, _noting(name, getattr(owner, method)))


def _is_resource(value):
    return type(value).__module__.startswith(("anchorbrowser.resources", "anchorbrowser.lib", "anchorbrowser.custom"))


def _noting(name, method):
    @functools.wraps(method)
    def noting(*arguments, **options):
        called.add(name)
        return method(*arguments, **options)

    return noting
