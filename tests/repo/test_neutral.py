"""Nothing in the repository depends on one machine or one mirror."""

import re

from repo.repository import relative, text_files

# Hosts that documents may point a reader to; everything else must be a name reserved for tests.
DOCUMENT_HOSTS = ("apache.org", "kubernetes.io", "k8s.io", "rfc-editor.org", "ietf.org", "json-schema.org", "w3.org")
TEST_HOSTS = re.compile(
    r"(localhost|[\d.]+|\[[^\]]*\]|.*\.(test|local|localhost|example|invalid|svc|internal|com\.cn)|"
    r"(.*\.)?example\.(com|org|net)|(.*\.)?kxyctl\.com|\w(\.\w)*|[^.]*)$"
)
URL = re.compile(r"\bhttps?://(\[[^\]/\s]*\]|[A-Za-z0-9.*-]+)")
PLACES = re.compile(r"(?<![\w.$}/-])/(root|home|work|Users|mnt|media)/[\w.-]+")
TEMPORARY = re.compile(r"(?<![\w.$}/-])/tmp/(?!cppx)[\w.-]+")


def findings(pattern, allowed):
    found = []
    for path in text_files():
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
            for match in pattern.finditer(line):
                if not allowed(path, match):
                    found.append(f"{relative(path)}:{number}: {match.group()}")
    return found


def test_urls_lead_to_documents_or_test_hosts():
    def allowed(_, match):
        host = match.group(1).lower().rstrip(".")
        return bool(TEST_HOSTS.match(host)) or host.endswith(DOCUMENT_HOSTS)

    found = findings(URL, allowed)
    assert not found, "\n".join(found)


def test_no_path_of_one_machine():
    found = findings(PLACES, lambda path, _: False) + findings(TEMPORARY, lambda path, _: False)
    assert not found, "\n".join(found)
