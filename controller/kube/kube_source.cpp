#include "controller/kube/kube_source.h"
