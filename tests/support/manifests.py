"""Kubernetes objects in few lines, as dictionaries, and their text."""

import base64

import yaml

INGRESS_CLASS = {
    "apiVersion": "networking.k8s.io/v1",
    "kind": "IngressClass",
    "metadata": {"name": "cppx"},
    "spec": {"controller": "cppx.io/ingress-controller"},
}


def to_yaml(objects):
    return yaml.dump_all(objects, Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper), sort_keys=False)


def _metadata(name, namespace, annotations=None, labels=None, created=None):
    metadata = {"name": name, "namespace": namespace}
    if annotations:
        metadata["annotations"] = annotations
    if labels:
        metadata["labels"] = labels
    if created:
        metadata["creationTimestamp"] = created
    return metadata


def backend_ref(text):
    """'web:80' or 'web:http' as an Ingress backend."""
    service, _, port = text.partition(":")
    port = port or "80"
    return {"service": {"name": service, "port": {"number": int(port)} if port.isdigit() else {"name": port}}}


def rule(host, *paths):
    """An Ingress rule. A path is 'web:80' (Prefix /) or (path, type, backend); a backend may be a dictionary."""
    entries = []
    for path in paths:
        text, kind, backend = ("/", "Prefix", path) if isinstance(path, str) else path
        entry = {"pathType": kind, "backend": backend if isinstance(backend, dict) else backend_ref(backend)}
        if text is not None:
            entry["path"] = text
        entries.append(entry)
    result = {"http": {"paths": entries}}
    if host is not None:
        result["host"] = host
    return result


def ingress(
    name, *rules, tls=(), default=None, class_name="cppx", namespace="default", annotations=None, created=None
):
    """An Ingress. `tls` holds (secret name or None, host...) tuples."""
    spec = {}
    if class_name:
        spec["ingressClassName"] = class_name
    if default:
        spec["defaultBackend"] = default if isinstance(default, dict) else backend_ref(default)
    if tls:
        spec["tls"] = [
            {**({"hosts": list(hosts)} if hosts else {}), **({"secretName": secret} if secret else {})}
            for secret, *hosts in tls
        ]
    if rules:
        spec["rules"] = list(rules)
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": _metadata(name, namespace, annotations, created=created),
        "spec": spec,
    }


def service(name, port=80, target=None, port_name=None, namespace="default", app_protocol=None, **spec):
    entry = {"port": port, "protocol": "TCP"}
    if app_protocol:
        entry["appProtocol"] = app_protocol
    if target is not None:
        entry["targetPort"] = target
    if port_name:
        entry["name"] = port_name
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _metadata(name, namespace),
        "spec": {"ports": [entry], **spec},
    }


def endpoint_slice(service_name, addresses, port, port_name="", suffix="1", namespace="default", conditions=None):
    """An EndpointSlice of a Service: all `addresses` on one port."""
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": _metadata(
            f"{service_name}-{suffix}", namespace, labels={"kubernetes.io/service-name": service_name}
        ),
        "addressType": "IPv6" if ":" in addresses[0] else "IPv4",
        "endpoints": [
            {"addresses": [address], "conditions": conditions or {"ready": True}} for address in addresses
        ],
        "ports": [{"name": port_name, "port": port, "protocol": "TCP"}],
    }


def service_of(name, *backends, namespace="default", app_protocol=None):
    """A Service on port 80 with one slice for each backend: a Backend or an (address, port) pair."""
    objects = [service(name, namespace=namespace, app_protocol=app_protocol)]
    for number, backend in enumerate(backends, 1):
        address, port = backend if isinstance(backend, tuple) else (backend.address, backend.port)
        objects.append(endpoint_slice(name, [address], port, suffix=str(number), namespace=namespace))
    return objects


def _encoded(text):
    return base64.b64encode(text.encode()).decode()


def tls_secret(name, certificate, namespace="default", kind="kubernetes.io/tls", key_of=None):
    """A TLS Secret; `key_of` takes the private key of another certificate."""
    return secret(
        name,
        {"tls.crt": certificate.certificate_pem, "tls.key": (key_of or certificate).key_pem},
        namespace,
        kind,
    )


def secret(name, data, namespace="default", kind="kubernetes.io/tls"):
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": _metadata(name, namespace),
        "type": kind,
        "data": {key: _encoded(value) for key, value in data.items()},
    }


def config_map(name, data, namespace="default"):
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": _metadata(name, namespace),
        "data": {key: str(value) for key, value in data.items()},
    }
