// SPDX-License-Identifier: BSD-2-Clause-Patent
// Stands between gdb, at a port of this machine, and QEMU's own stub: passes on what either says,
// but for what gdb_proxy.h answers.
#pragma once

#include "sevsim/descriptor.h"
#include "x86/types.h"

#include <expected>
#include <memory>
#include <string>
#include <thread>

namespace vestibule::sevsim {

class GdbServer {
  public:
    /// Listens at `port` of 127.0.0.1, so that nobody but this machine's users can connect. The
    /// monitor lies at the machine's address `monitor`.
    static std::expected<std::unique_ptr<GdbServer>, std::string> start(u16 port, u64 monitor);

    ~GdbServer();
    GdbServer(const GdbServer&)            = delete;
    GdbServer& operator=(const GdbServer&) = delete;

    /// QEMU's end of the connection to its stub. To be taken once.
    Descriptor take_qemu_end() { return std::move(qemu_end_); }

  private:
    GdbServer(Descriptor listening, Descriptor qemu, Descriptor qemu_end, Descriptor ending,
              Descriptor end, u64 monitor);

    Descriptor qemu_end_;
    Descriptor end_; // closed, it ends the thread
    std::thread thread_;
};

} // namespace vestibule::sevsim
