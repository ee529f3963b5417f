"""The proxies that are compared: one module each, which knows its configuration and nothing of measuring."""

from comparison.proxies.cppx import Before, Cppx
from comparison.proxies.envoy import Envoy
from comparison.proxies.floor import Floor
from comparison.proxies.h2o import H2o
from comparison.proxies.haproxy import HAProxy
from comparison.proxies.nghttpx import Nghttpx
from comparison.proxies.nginx import Nginx

ALL = (Cppx, Floor, HAProxy, Nginx, Envoy, H2o, Nghttpx)
