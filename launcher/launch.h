// SPDX-License-Identifier: BSD-2-Clause-Patent
// From a content to a guest that is ready to run: the calls in the order that KVM demands (KVM ABI,
// sections 3 and 4).
#pragma once

#include "kvm/host.h"
#include "launcher/memory.h"
#include "launcher/session.h"

#include <array>
#include <memory>

namespace vestibule::launcher {

struct Plan {
    igvm::PlatformType platform = igvm::PlatformType::native;
    igvm::GuestMachine machine;
    igvm::FileContent content;
    std::optional<Session> session; // SEV-ES: without, nobody can check the measurement
};

/// What GUEST_POLICY says, or where the file has none: SEV-ES without debugging, SNP's default.
u64 policy_of(const Plan& plan);

/// What SEV-ES's LAUNCH_MEASURE answers, and what the answer depends on beside the digest.
struct Measured {
    std::array<u8, 32> measure;
    std::array<u8, 16> mnonce;
    sev_user_data_status firmware;
    u32 policy;
};

static_assert(offsetof(Measured, firmware) == 48);

class Guest {
  public:
    /// Makes the VM, its memory and its vCPUs, and launches. LaunchError where a step fails.
    Guest(Calls& calls, const kvm::Host& host, const Plan& plan);
    Guest(const Guest&)            = delete;
    Guest& operator=(const Guest&) = delete;
    ~Guest();

    struct Vcpu {
        int descriptor;
        kvm_run* run; // null before it is mapped
    };

    [[nodiscard]] int vm() const { return vm_; }

    [[nodiscard]] GuestMemory& memory() { return *memory_; }

    [[nodiscard]] const std::vector<Vcpu>& vcpus() const { return vcpus_; }

    [[nodiscard]] u64 run_size() const { return run_size_; }

    [[nodiscard]] const std::optional<Measured>& measured() const { return measured_; }

  private:
    void make_vm();
    void make_vcpus();
    void launch_sev_es();
    void update_sev_es(const igvm::GpaRange& range);
    void launch_snp();
    void update_snp(const igvm::GuestPiece& piece, const igvm::GpaRange& range);
    void finish_snp();
    [[nodiscard]] bool is_launched(const igvm::GuestPiece& piece) const;
    /// Pages that are launched alike and follow one another in the file and in memory go in one
    /// call: a call each would be a thousand. The digest does not see the difference. Pages that
    /// are not launched are placed.
    void launch_pages();
    [[nodiscard]] u8* host_of(const igvm::GpaRange& range) const;
    void place(const igvm::GuestPiece& piece);
    [[nodiscard]] u64 features() const;

    Calls& calls_;
    const kvm::Host& host_;
    const Plan& plan_;
    bool encrypted_;
    bool snp_;
    int vm_         = -1;
    int sev_device_ = -1;
    std::unique_ptr<GuestMemory> memory_;
    std::vector<Vcpu> vcpus_;
    u64 run_size_ = 0;
    abi::Cpuid supported_{};
    std::optional<Measured> measured_;
    sev_user_data_status firmware_{};
};

} // namespace vestibule::launcher
