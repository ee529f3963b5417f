#include "tls/sni_table.h"
