#include "routing/match/host_index.h"
