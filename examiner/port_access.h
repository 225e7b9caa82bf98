// SPDX-License-Identifier: BSD-2-Clause-Patent
// SW_EXITINFO1 of IOIO (GHCB specification, section 4.1.2; APM volume 2, section 15.10.2).
#pragma once

#include "x86/types.h"

namespace vestibule::examiner {

namespace port_bits {
inline constexpr u64 in              = bit(0);
inline constexpr u64 string          = bit(2);
inline constexpr u64 rep             = bit(3);
inline constexpr unsigned to_size    = 4; // [6:4]: 1, 2 or 4
inline constexpr u64 address_16      = bit(7);
inline constexpr u64 address_32      = bit(8);
inline constexpr u64 address_64      = bit(9);
inline constexpr unsigned to_segment = 10;
inline constexpr u64 segment_ds      = u64{3} << to_segment;
} // namespace port_bits

constexpr u64 port_out(u16 port, u64 size, u64 address_size = port_bits::address_64) {
    return u64{port} << 16 | size << port_bits::to_size | address_size;
}

constexpr u64 port_in(u16 port, u64 size, u64 address_size = port_bits::address_64) {
    return port_out(port, size, address_size) | port_bits::in;
}

constexpr u64 port_outs(u16 port, u64 size) {
    return port_out(port, size) | port_bits::string | port_bits::rep | port_bits::segment_ds;
}

constexpr u64 port_ins(u16 port, u64 size) {
    return port_in(port, size) | port_bits::string | port_bits::rep;
}

} // namespace vestibule::examiner
