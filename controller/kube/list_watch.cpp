#include "controller/kube/list_watch.h"
