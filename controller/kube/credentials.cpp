#include "controller/kube/credentials.h"
