#include "routing/dump.h"
