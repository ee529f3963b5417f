#include "routing/match/routing_table.h"
