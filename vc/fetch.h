// SPDX-License-Identifier: BSD-2-Clause-Patent
// The bytes of the interrupted instruction, read from where the CPU fetched them.
#pragma once

#include "vc/code.h"
#include "vc/decode.h"
#include "vc/memory.h"
#include "vc/opening.h"
#include "vc/walk.h"

namespace vestibule::vc {

/// What may be executed need not be readable: SMAP keeps the handler from user pages, and so may
/// their protection keys. While this lasts, neither does.
template <class Cpu>
class CodeAccess {
  public:
    explicit CodeAccess(bool is_user_code)
        : user_access{is_user_code},
          has_keys{Cpu::serves_kernel && is_user_code && (Cpu::cr4() & x86::cr4::pke) != 0} {
        if (has_keys) {
            pkru = Cpu::pkru();
            Cpu::set_pkru(0);
        }
    }

    CodeAccess(const CodeAccess&)            = delete;
    CodeAccess& operator=(const CodeAccess&) = delete;

    ~CodeAccess() {
        if (has_keys) {
            Cpu::set_pkru(pkru);
        }
    }

  private:
    UserAccess<Cpu> user_access;
    bool has_keys;
    u32 pkru = 0;
};

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
        u64 value = 0;
        if (!try_load<Cpu>(address, 1, value)) {
            is_mapped = false;
            return false;
        }
        byte = static_cast<u8>(value);
        ++number;
        return true;
    }

  private:
    /// Another thread of the process may have unmapped the page since. And the CPU fetches from
    /// private memory whatever the C-bit says (APM volume 2, section 15.34.5), while a read of ours
    /// would find what the hypervisor put into a page that is mapped shared.
    [[gnu::noinline]] bool may_read(u64 address) {
        const Translation page =
            walk<Cpu>(context, address, page_fault::fetch | (code.cpl == 3 ? page_fault::user : 0),
                      frame.rflags);
        is_mapped = !page.faults;
        return is_mapped && page.is_private;
    }
};

} // namespace vestibule::vc
