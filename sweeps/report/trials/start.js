startTable();
