"""cppx on manifests."""

import base64
import json

from comparison.proxies.base import GRPC_HOST, HOST, HOSTS, PATHS, RELEASE, Proxy, host_name, path_name

NAMESPACE = "bench"
LABEL = "kubernetes.io/service-name"
UNLIMITED = "1000000000"
SETTINGS = {
    "ssl-redirect": "false",
    "hsts": "false",
    "keep-alive": "300",
    "keep-alive-requests": UNLIMITED,
    "upstream-keepalive-requests": UNLIMITED,
    "max-worker-connections": "0",
}


def thing(version, kind, name, **content):
    labels = content.pop("labels", {})
    annotations = content.pop("annotations", {})
    metadata = {"name": name, "namespace": NAMESPACE, "labels": labels, "annotations": annotations}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **content}


def service(name, port):
    slice_port = {"name": "", "port": port, "protocol": "TCP"}
    return [
        thing("v1", "Service", name, spec={"ports": [{"port": 80, "protocol": "TCP"}]}),
        thing(
            "discovery.k8s.io/v1",
            "EndpointSlice",
            f"{name}-1",
            labels={LABEL: name},
            addressType="IPv4",
            endpoints=[{"addresses": ["127.0.0.1"], "conditions": {"ready": True}}],
            ports=[slice_port],
        ),
    ]


def ingress(name, host, backend, paths=("/",), annotations=()):
    reference = {"service": {"name": backend, "port": {"number": 80}}}
    entries = [{"path": path, "pathType": "Prefix", "backend": reference} for path in paths]
    spec = {"ingressClassName": "cppx", "rules": [{"host": host, "http": {"paths": entries}}]}
    if paths == ("/",):
        spec["tls"] = [{"hosts": [host], "secretName": "tls"}]
    return thing("networking.k8s.io/v1", "Ingress", name, annotations=dict(annotations), spec=spec)


class Cppx(Proxy):
    name = "cppx"
    package = "cmake --preset release && ninja -C build/release cppx"
    version_flag = "--version"
    grpc_port = "https"
    path = RELEASE / "app" / "cppx"

    def program(self):
        return self.path if self.path.exists() else None

    def command(self, place):
        encoded = {"tls.crt": place.certificate, "tls.key": place.key}
        data = {key: base64.b64encode(path.read_bytes()).decode() for key, path in encoded.items()}
        log = {"access-log-path": str(place.log)} if place.variant == "log" else {"disable-access-log": "true"}
        grpc = {"nginx.ingress.kubernetes.io/backend-protocol": "GRPC"}
        controller = {"controller": "cppx.io/ingress-controller"}
        objects = [
            thing("networking.k8s.io/v1", "IngressClass", "cppx", spec=controller),
            thing("v1", "ConfigMap", "cppx", data=SETTINGS | log),
            thing("v1", "Secret", "tls", type="kubernetes.io/tls", data=data),
            *service("origin", place.origin),
            *service("grpc", place.grpc_origin),
            ingress("site", HOST, "origin"),
            ingress("grpc", GRPC_HOST, "grpc", annotations=grpc),
        ]
        if place.variant == "hosts":
            paths = tuple(map(path_name, range(PATHS)))
            objects += [ingress(f"many-{number}", host_name(number), "origin", paths) for number in range(HOSTS)]
        # JSON is YAML.
        manifests = place.write("objects.yaml", "\n---\n".join(map(json.dumps, objects)) + "\n")
        command = [self.program(), f"--manifests={manifests}", "--bind-address=127.0.0.1", "--workers=1"]
        command += [f"--http-port={place.http}", f"--https-port={place.https}", "--healthz-port=0"]
        command += [f"--configmap={NAMESPACE}/cppx", f"--default-ssl-certificate={NAMESPACE}/tls"]
        return [*command, "--log-level=error"]


class Before(Cppx):
    """Another program of cppx beside the first: what a change gives."""

    name = "before"

    def __init__(self, path):
        self.path = path
