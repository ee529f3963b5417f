#include "controller/dns/ares_channel.h"
