#include "controller/kube/kubeconfig_file.h"
