#include "controller/kube/connection.h"
