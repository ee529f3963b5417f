#include "controller/dns/resolve_host.h"
