// SPDX-License-Identifier: BSD-2-Clause-Patent
// One #VC as the events see it: who asks, with which instruction, on which vCPU.
#pragma once

#include "vc/code.h"
#include "vc/context.h"
#include "vc/frame.h"
#include "vc/instruction.h"

namespace vestibule::vc {

struct Request {
    Frame& frame;
    Context& context;
    const Instruction& instruction;
    Code code;
};

} // namespace vestibule::vc
