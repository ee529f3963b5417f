#include "routing/http/host.h"
