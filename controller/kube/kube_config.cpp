#include "controller/kube/kube_config.h"
