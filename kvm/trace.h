// SPDX-License-Identifier: BSD-2-Clause-Patent
// A kernel that tells of every call, before another one answers it; and one that answers without
// doing anything. Together they are --dry-run.
#pragma once

#include "kvm/kernel.h"

#include <functional>
#include <map>
#include <mutex>

namespace vestibule::kvm {

class TracedKernel : public Kernel {
  public:
    /// `tell` takes each call in words with the answer, or a negative errno. KVM_RUN is not told:
    /// its exits are. Calls may come from several threads; telling is one at a time.
    using Tell = std::function<void(const std::string& call, int answer)>;

    TracedKernel(Kernel& inner, Tell tell) : inner_(inner), tell_(std::move(tell)) {}

    int open(const char* path) override;
    void close(int descriptor) override;
    int ioctl(int descriptor, u64 request, u64 argument) override;
    u8* map(u64 size, int descriptor) override;
    void unmap(u8* memory, u64 size) override;
    void discard(int descriptor, u64 at, u64 size) override;
    std::string read(const char* path) override;

  private:
    [[nodiscard]] std::string place(u64 address) const;

    Kernel& inner_;
    Tell tell_;
    std::mutex mutex_;
    std::map<u64, u64> maps_; // address and size, in the order of their numbers
    std::map<u64, u64> numbers_;
};

/// A host that has everything (Linux 7.1, SEV-ES and SNP) and runs nothing.
class DryKernel : public Kernel {
  public:
    static constexpr const char* release = "7.1";

    int open(const char* path) override;

    void close(int /*descriptor*/) override {}

    int ioctl(int descriptor, u64 request, u64 argument) override;
    u8* map(u64 size, int descriptor) override;
    void unmap(u8* memory, u64 size) override;

    void discard(int /*descriptor*/, u64 /*at*/, u64 /*size*/) override {}

    std::string read(const char* path) override;

  private:
    int next_ = 3;
};

} // namespace vestibule::kvm
