"""Rights of service accounts in single namespaces."""

import yaml

from cluster.cluster import RBAC

GROUP = "rbac.authorization.k8s.io"
READ = ["list", "watch"]
CLASSES = [{"apiGroups": ["networking.k8s.io"], "resources": ["ingressclasses"], "verbs": READ}]


def rules():
    """What rbac.yaml allows, in the whole cluster and in cppx's own namespace."""
    return [rule for item in yaml.safe_load_all(RBAC.read_text()) for rule in item.get("rules", ())]


def role(name, allowed, kind="Role"):
    return {"apiVersion": f"{GROUP}/v1", "kind": kind, "metadata": {"name": name}, "rules": allowed}


def binding(name, account, account_space, kind="Role"):
    """Binds the Role (or ClusterRole) of the same name to a service account."""
    return {
        "apiVersion": f"{GROUP}/v1",
        "kind": f"{kind}Binding",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": GROUP, "kind": kind, "name": name},
        "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": account_space}],
    }


def make_account(space, name):
    """A service account without any right; its token."""
    space.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}})
    return space.kubectl("create", "token", name).strip()


def grant(space, name, account_space):
    """Everything that rbac.yaml allows, in one namespace, by a Role."""
    space.apply(role(name, rules()), binding(name, name, account_space))
