#include "controller/kube/tls_context.h"
