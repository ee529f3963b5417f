#include "routing/snapshot.h"
