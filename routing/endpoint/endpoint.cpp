#include "routing/endpoint/endpoint.h"
