#include "controller/kube/resource.h"
