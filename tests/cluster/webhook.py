"""What a cluster has so that its API server asks cppx before Ingresses are written."""

import base64
import itertools
import socket
import ssl

import yaml

from cluster.objects import ingress, path
from cluster.pki import Authority
from cluster.programs import program
from support.waiting import wait_for

SYSTEM = "cppx-system"
PREFIX = "nginx.ingress.kubernetes.io/"
_numbers = itertools.count(1)


class Webhook:
    """A Service whose address is local, and a ValidatingWebhookConfiguration for one namespace that leads to it."""

    def __init__(self, cluster, space):
        number = next(_numbers)
        self.cluster = cluster
        self.space = space
        self.class_name = "cppx"
        self.name = f"admission-{number}"
        self.port = 23000 + number
        self.address = f"10.96.77.{number}"
        self.secret_path = f"/api/v1/namespaces/{SYSTEM}/secrets/{self.name}-certificate"
        self.flags = [
            f"--validating-webhook=:{self.port}",
            f"--validating-webhook-service={SYSTEM}/{self.name}",
            f"--validating-webhook-configuration={self.name}",
        ]

    def install(self, failure_policy="Fail"):
        added = self.cluster.network.run("ip", "address", "add", f"{self.address}/32", "dev", "lo")
        assert added.returncode == 0, added.stderr
        port = {"port": self.port, "targetPort": self.port}
        self.cluster.apply(
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {"name": self.name, "namespace": SYSTEM},
                "spec": {"clusterIP": self.address, "ports": [port]},
            },
            self.configuration(failure_policy),
        )

    def configuration(self, failure_policy):
        rule = {
            "apiGroups": ["networking.k8s.io"],
            "apiVersions": ["v1"],
            "operations": ["CREATE", "UPDATE"],
            "resources": ["ingresses"],
        }
        target = {"namespace": SYSTEM, "name": self.name, "path": "/networking/v1/ingresses", "port": self.port}
        return {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingWebhookConfiguration",
            "metadata": {"name": self.name},
            "webhooks": [
                {
                    "name": "validate.nginx.ingress.kubernetes.io",
                    "admissionReviewVersions": ["v1"],
                    "sideEffects": "None",
                    "failurePolicy": failure_policy,
                    "matchPolicy": "Equivalent",
                    "timeoutSeconds": 5,
                    "rules": [rule],
                    "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": self.space.name}},
                    "clientConfig": {"service": target},
                }
            ],
        }

    def remove(self):
        self.cluster.kubectl("delete", "validatingwebhookconfiguration", self.name)
        self.cluster.kubectl("delete", "service", self.name, namespace=SYSTEM)
        self.cluster.kubectl("delete", "secret", f"{self.name}-certificate", "--ignore-not-found", namespace=SYSTEM)
        self.cluster.network.run("ip", "address", "delete", f"{self.address}/32", "dev", "lo")

    def put_old_certificate(self):
        """The Secret as somebody left it whose certificate ends in a day; (authority, certificate) as PEM."""
        authority = Authority()
        certificate, key = authority.server([f"{self.name}.{SYSTEM}.svc"], [])
        values = {"tls.crt": certificate, "tls.key": key, "ca.crt": authority.pem}
        self.cluster.apply(
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": f"{self.name}-certificate", "namespace": SYSTEM},
                "type": "kubernetes.io/tls",
                "data": {name: base64.b64encode(value).decode() for name, value in values.items()},
            }
        )
        return authority.pem.decode(), certificate.decode()

    def bundle(self):
        """The authorities that the API server checks the webhook against, as PEM."""
        target = f"/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/{self.name}"
        told = self.cluster.api("GET", target)["webhooks"][0]["clientConfig"].get("caBundle", "")
        return base64.b64decode(told).decode()

    def secret(self):
        """The values of the Secret with the certificate."""
        data = self.cluster.api("GET", self.secret_path)["data"]
        return {key: base64.b64decode(value).decode() for key, value in data.items()}

    def apply(self, *objects, flags=()):
        """(code, standard error) of kubectl apply."""
        kubeconfig = self.cluster.control_plane.kubeconfig
        command = [program("kubectl"), f"--kubeconfig={kubeconfig}", f"--namespace={self.space.name}"]
        command += ["apply", "-f", "-", *flags]
        done = self.cluster.network.run(*command, input=yaml.safe_dump_all(objects))
        return done.returncode, done.stderr

    def asked(self):
        """Whether the API server asks cppx, and is answered: a refusal with a reason tells."""
        wrong = {PREFIX + "ssl-redirect": "maybe"}
        bad = ingress("probe", {"probe.test": [path("web")]}, class_name=self.class_name, annotations=wrong)
        # Nothing is to be there that a change could be compared with.
        code, error = self.apply(bad, flags=["--dry-run=server"])
        return code != 0 and "InvalidAnnotation" in error

    def wait_until_asked(self, seconds=30):
        wait_for(self.asked, seconds, "the API server to ask the webhook", every=0.2)

    def shown(self, address=None):
        """The certificate that is shown, as PEM."""
        name = f"{self.name}.{SYSTEM}.svc"
        context = ssl.create_default_context(cadata=self.bundle())
        with self.cluster.network.entered():
            plain = socket.create_connection((address or self.address, self.port), 5)
        with context.wrap_socket(plain, server_hostname=name) as connection:
            return ssl.DER_cert_to_PEM_cert(connection.getpeercert(binary_form=True))
