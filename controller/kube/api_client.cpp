#include "controller/kube/api_client.h"
