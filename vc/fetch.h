// The bytes of the interrupted instruction, read from where the CPU fetched them.
#pragma once

#include "vc/code.h"
#include "vc/decode.h"
#include "vc/memory.h"
#include "vc/opening.h"
#include "vc/walk.h"

namespace vestibule::vc {

/// Reads them in order, for the decoder.
template <class Cpu>
struct Fetch {
    const Code& code;
    const Frame& frame;
    const Context& context;
    OpeningBytes opening;
    u8 number      = 0;    // of bytes read
    bool is_mapped = true; // false: the next byte's page is not there any more

    bool next(u8& byte) {
        if (number < opening.count) {
            byte = opening[number++];
            return true;
        }
        const u64 address = linear_rip(code, frame.rip + number);
        if (code.cpl != 0 && (number == 0 || address % page_size == 0) && !may_read(address)) {
            return false;
        }
        byte = *reinterpret_cast<const volatile u8*>(address);
        ++number;
        return true;
    }

  private:
    /// Another thread of the process may have unmapped the page since. And the CPU fetches from
    /// private memory whatever the C-bit says (APM volume 2, section 15.34.5), while a read of ours
    /// would find what the hypervisor put into a page that is mapped shared.
    [[gnu::noinline]] bool may_read(u64 address) {
        const Translation page =
            walk<Cpu>(context, address, code.cpl == 3 ? page_fault::user : 0, frame.rflags);
        is_mapped = !page.faults;
        return is_mapped && page.is_private;
    }
};

} // namespace vestibule::vc
