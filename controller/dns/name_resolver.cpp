#include "controller/dns/name_resolver.h"
