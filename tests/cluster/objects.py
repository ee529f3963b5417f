"""Kubernetes objects as the tests need them, in their YAML form."""

CLASS = "cppx"


def deployment(name, replicas=3, ports=(("http", 8080),)):
    """Pods labelled app=name; `ports` are (name, number)."""
    labels = {"app": name}
    container = {
        "name": "web",
        "image": "example.test/web:1",
        "ports": [{"name": port, "containerPort": number} for port, number in ports],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }


def service(name, app=None, ports=(("http", 80, 8080),), **spec):
    """A Service for the pods of `app` (by default of the same name); `ports` are (name, port, targetPort)."""
    listed = [{"name": port, "port": number, "targetPort": target} for port, number, target in ports]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"selector": {"app": app or name}, "ports": listed, **spec},
    }


def path(service_name, port=80, text="/", kind="Prefix"):
    """One path of a rule; the port is a number or a name."""
    named = {"name": port} if isinstance(port, str) else {"number": port}
    return {"path": text, "pathType": kind, "backend": {"service": {"name": service_name, "port": named}}}


def ingress(name, rules, class_name=CLASS, tls=(), annotations=None):
    """`rules` maps hosts to paths; `tls` are (secret, host...)."""
    listed = [
        {**({"host": host} if host else {}), "http": {"paths": list(paths)}} for host, paths in rules.items()
    ]
    spec = {"rules": listed}
    if class_name is not None:
        spec["ingressClassName"] = class_name
    if tls:
        spec["tls"] = [{"secretName": secret, "hosts": list(hosts)} for secret, *hosts in tls]
    metadata = {"name": name, **({"annotations": annotations} if annotations else {})}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": metadata, "spec": spec}


def ingress_class(name, controller="cppx.io/ingress-controller", default=False):
    annotations = {"ingressclass.kubernetes.io/is-default-class": "true"} if default else {}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "IngressClass",
        "metadata": {"name": name, "annotations": annotations},
        "spec": {"controller": controller},
    }
