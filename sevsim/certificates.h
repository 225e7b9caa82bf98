// SPDX-License-Identifier: BSD-2-Clause-Patent
// The key that signs attestation reports, and the certificates that lead to it: ARK, the root,
// signs ASK, which signs VCEK, the chip's key, or VLEK, a cloud provider's (VCEK certificate and
// KDS interface specification, 57230). AMD's own lead to no key of this machine's, so they are made
// here, and every name in them says TEST.
#pragma once

#include "sevsim/launch_module.h"
#include "x86/types.h"

#include <array>
#include <expected>
#include <span>
#include <string>
#include <vector>

namespace vestibule::sevsim {

struct SigningChain {
    std::array<u8, 48> key;         ///< of VCEK or VLEK: a number of P-384, big-endian
    std::vector<u8> ark, ask, leaf; ///< certificates, DER
};

/// What is in the leaf's certificate of the chip and its firmware.
struct ChipFacts {
    SigningKey kind;
    std::array<u8, 64> chip_id;
    u64 tcb;
};

/// A chain of one run's own: all of its keys are of P-384, which are quick to make.
std::expected<SigningChain, std::string> make_chain(const ChipFacts& chip);

/// Makes a root in a directory, if there is none: ARK and ASK of RSA with 4096 bits, as AMD's are,
/// and a VCEK and a VLEK of the chip that all machines with this root are. An error names the file.
std::expected<void, std::string> write_root(const std::string& directory);

/// The chain of a directory that write_root() has filled, and the chip's name with it.
std::expected<SigningChain, std::string> read_root(const std::string& directory,
                                                   const ChipFacts& chip);

/// As extended guest requests have it: a table of GUIDs, then the certificates.
std::vector<u8> certificate_table(const SigningChain& chain, SigningKey kind);

/// Of the chip that a root is for, and of a run's own where there is none.
inline constexpr u64 chip_tcb = 0xDB18'0000'0000'0004; ///< SPLs of microcode, SNP, TEE, boot loader

std::array<u8, 64> chip_id();

} // namespace vestibule::sevsim
