// SPDX-License-Identifier: BSD-2-Clause-Patent
// Plans of lies: what is told, and how files of them are read.
#include "sevsim/plan_file.h"
#include "sevsim/qemu_command.h"

#include <fstream>
#include <gtest/gtest.h>

namespace vestibule::sevsim {

namespace {

std::string all_of(const std::vector<Plan>& plans) {
    std::string text;
    for (const Plan& plan : plans) {
        text += "[" + hostility(plan) + "]";
    }
    return text;
}

/// A file that is there as long as this is.
class TextFile {
  public:
    explicit TextFile(std::string_view text) { std::ofstream{path_} << text; }

    const std::string& path() const { return path_; }

  private:
    std::string path_ = testing::TempDir() + "plans";
};

} // namespace

TEST(Plan, FindsTheFirstLieOfAKind) {
    Plan plan;
    EXPECT_TRUE(plan.is_honest());
    EXPECT_EQ(plan.find(Lie::nmi), nullptr);
    EXPECT_EQ(plan.add({.lie = Lie::no_sev}), nullptr);
    EXPECT_EQ(plan.add({.lie = Lie::nmi, .code = 0, .at = 3, .within = 0}), nullptr);
    EXPECT_EQ(plan.add({.lie = Lie::nmi, .code = 0, .at = 2, .within = 0}), nullptr);
    EXPECT_FALSE(plan.is_honest());
    ASSERT_NE(plan.find(Lie::nmi), nullptr);
    EXPECT_EQ(plan.find(Lie::nmi)->at, 3);
    EXPECT_TRUE(plan.has(Lie::no_sev));
    EXPECT_FALSE(plan.has(Lie::vnmi));
}

TEST(Plan, TakesNoMoreThanItHasRoomForNorTheSameTwice) {
    Plan plan;
    EXPECT_EQ(plan.add({.lie = Lie::features, .code = 1, .at = 0, .within = 0}), nullptr);
    EXPECT_STREQ(plan.add({.lie = Lie::features, .code = 2, .at = 0, .within = 0}),
                 "this lie is told already");
    for (u64 n = 1; n < most_lies; ++n) {
        EXPECT_EQ(plan.add({.lie = Lie::nmi, .code = 0, .at = n, .within = 0}), nullptr);
    }
    EXPECT_STREQ(plan.add({.lie = Lie::nmi, .code = 0, .at = 99, .within = 0}),
                 "more than 16 lies in one run");
    EXPECT_EQ(plan.count, most_lies);
}

TEST(Plans, AreReadAndWrittenAlike) {
    struct Case {
        std::string_view text;
        std::string_view plans;
    };

    for (const Case& one : {
             Case{"",                                       ""                            },
             {"# nothing\n\n",                          ""                            },
             {"nmi@3",                                  "[nmi@3]"                     },
             {"nmi@3\n",                                "[nmi@3]"                     },
             {"nmi@3\n---\n",                           "[nmi@3]"                     },
             {"nmi@3\n---\n# end\n",                    "[nmi@3]"                     },
             {"nmi@3\n#x\n\nno-sev\n---\nvc:0x72@1+\n", ""                            },
             {"nmi@3\n#x\n\nno-sev\n---\nunanswered@2", "[nmi@3 no-sev][unanswered@2]"},
             {"---\n---\nnmi@1\n---\n",                 "[][][nmi@1]"                 },
             {"nmi@1\nnmi@2\n",                         "[nmi@1 nmi@2]"               },
    }) {
        const auto plans = parse_plans(one.text);
        if (one.text.contains('+')) {
            EXPECT_FALSE(plans);
            continue;
        }
        ASSERT_TRUE(plans) << one.text << plans.error();
        EXPECT_EQ(all_of(*plans), one.plans) << one.text;
        std::string again;
        for (const Plan& plan : *plans) {
            again += plan_text(plan);
        }
        const auto reread = parse_plans(again);
        ASSERT_TRUE(reread);
        EXPECT_EQ(all_of(*reread), one.plans);
    }
}

TEST(Plans, AreRefusedWithTheLine) {
    struct Case {
        std::string_view text;
        std::string_view why;
    };

    for (const Case& wrong : {
             Case{"nmi@1\n\n# x\nnmi\n", "4: 'nmi': expected @N"                },
             {" nmi@1\n",            "1: ' nmi@1': no lie is called so"     },
             {"nmi@1 \n",            "1: 'nmi@1 ': expected @N"             },
             {"nmi@1\r\n",           "1: 'nmi@1?': expected @N"             },
             {"----\n",              "1: '----': no lie"                    },
             {"no-sev\nno-sev\n",    "2: 'no-sev': this lie is told already"},
             {"---\nvc:1\n---\n",    "2: 'vc:1': expected @N"               },
    }) {
        const auto plans = parse_plans(wrong.text);
        ASSERT_FALSE(plans) << wrong.text;
        EXPECT_TRUE(plans.error().starts_with(wrong.why)) << plans.error();
    }
    std::string many;
    for (unsigned n = 1; n <= most_lies + 1; ++n) {
        many += "nmi@" + std::to_string(n) + "\n";
    }
    EXPECT_EQ(parse_plans(many).error(), "17: 'nmi@17': more than 16 lies in one run");
}

TEST(Plans, ComeFromFiles) {
    const TextFile one{"nmi@1\nvnmi@2\n"};
    EXPECT_EQ(hostility(*read_plan(one.path())), "nmi@1 vnmi@2");
    EXPECT_EQ(read_plans(one.path())->size(), 1);
    const TextFile two{"nmi@1\n---\nvnmi@2\n"};
    EXPECT_EQ(read_plan(two.path()).error(),
              two.path() + ": more plans than one, which --plans takes");
    EXPECT_EQ(read_plans(two.path())->size(), 2);
    const TextFile none{"# nothing\n"};
    EXPECT_TRUE(read_plan(none.path())->is_honest());
    EXPECT_EQ(read_plans(none.path()).error(), none.path() + ": no plan");
    const TextFile wrong{"\nnmi\n"};
    EXPECT_TRUE(read_plans(wrong.path()).error().starts_with(wrong.path() + ":2: 'nmi': "));
    EXPECT_FALSE(read_plans(wrong.path() + "-not-there"));
}

TEST(QemuCommand, PassesEachLieOfAPlanOn) {
    RunOptions options;
    options.hostile = parse_plans("nmi@1\nvc:0x72@2\n")->front();
    EXPECT_TRUE(monitor_command_line(options).ends_with(" hostile=nmi@1 hostile=vc:0x72@2"));
}

} // namespace vestibule::sevsim
