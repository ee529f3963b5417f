#include "tls/self_signed.h"
