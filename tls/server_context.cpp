#include "tls/server_context.h"
