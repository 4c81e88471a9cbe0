// postalias: makes, asks and changes alias databases. See table_tool.h.
#include "tools/table_tool.h"

int main(int argc, char** argv) {
  return postern::tools::run_table_tool(argc, argv, true);
}
