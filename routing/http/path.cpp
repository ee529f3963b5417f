#include "routing/http/path.h"
