// SPDX-License-Identifier: BSD-2-Clause-Patent
// The guest's context in the secure processor (SEV-SNP firmware ABI, 56860, chapter 4): what is set
// by the launch and stays for the guest's life.
#pragma once

#include "sevsim/launch_module.h"
#include "sevsim/monitor/options.h"

#include <span>

namespace vestibule::sevsim {

/// Keeps what the host command has handed over.
void take_launch_module(std::span<const u8> bytes);

const LaunchModule& launch_module();

/// The secret of a plain SEV or SEV-ES guest's owner, as the host command has decrypted it.
void take_launch_secret(std::span<const u8> bytes);

/// LAUNCH_SECRET: puts it into the guest's memory, which is loaded by now.
void put_launch_secret();

/// The table that an extended guest request is answered with: certificates for the key that signs
/// reports (GHCB specification, exit 0x80000012).
std::span<const u8> certificates();

/// The page of type SECRETS (chapter 8.17.2.6): the guest's keys for messages to the secure
/// processor.
void fill_secrets_page(const Options& options, u8* page);

} // namespace vestibule::sevsim
