startTable();
startLinks();
startPages();
