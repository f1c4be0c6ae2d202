// The generated messages, under one name.
#pragma once

#include "protocol/control.pb.h"
