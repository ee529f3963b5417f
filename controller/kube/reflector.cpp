#include "controller/kube/reflector.h"
